/**
 * `npm start`: an AI SDK agent works through 4,200 orders behind a gateway that gives up and sends again, over an inventory
 * service that loses answers; without Onefold and with it. Prints both end states, counted in the inventory's database,
 * beside that of single executions, and exits non-zero when the guarded one differs from it.
 * Flags: --seed NUMBER, --orders NUMBER, --keep, --json.
 */
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { runBlackFriday } from '../../src/cli/demo/black-friday.ts'

const { values: flags } = parseArgs({
  options: {
    seed: { type: 'string', default: '7' },
    orders: { type: 'string', default: '4200' },
    keep: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})

process.exitCode = await runBlackFriday(
  { ...flags, seed: Number(flags.seed), orders: Number(flags.orders) },
  { agentProgram: fileURLToPath(new URL('agent-service.ts', import.meta.url)), again: 'npm start --' },
)
