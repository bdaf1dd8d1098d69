/**
 * `node -C onefold-source examples/lost-answers/main.ts`: an AI SDK agent loop works through returns with the tools of an
 * MCP server on the official SDK, over a shop that loses 30 % of its answers; once directly, once through `onefold mcp`.
 * Prints both end states side by side, counted in the shop's own database, and exits non-zero when the protected one shows
 * a duplicate or a forgotten effect. Flags: --seed NUMBER, --returns NUMBER, --keep, --json.
 */
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { runDemo } from '../../src/cli/demo/command.ts'
import { aiSdkAgent } from './agent.ts'

const { values: flags } = parseArgs({
  options: {
    seed: { type: 'string', default: '7' },
    returns: { type: 'string', default: '20' },
    keep: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})

const again = 'node -C onefold-source examples/lost-answers/main.ts'
const server = fileURLToPath(new URL('server.ts', import.meta.url))
process.exitCode = await runDemo(
  { ...flags, seed: Number(flags.seed), returns: Number(flags.returns) },
  { agent: aiSdkAgent, server: [process.execPath, server], again },
)
