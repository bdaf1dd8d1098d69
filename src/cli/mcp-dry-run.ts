import { NOTHING_DECLARED, explainTools, listTools, upstreamName, type Explained } from '../mcp/index.ts'
import { EXIT, wrongUse } from './exit-code.ts'
import { configOf, type WhereOptions } from './ledger/locate.ts'
import { colors, plain, print, printJson, table } from './output.ts'
import { withCancel } from './progress.ts'

export interface DryRunOptions extends WhereOptions {
  readonly dryRun?: boolean
  readonly json?: boolean
}

/** `onefold mcp`, with and without `--dry-run`. */
export async function mcpOrDryRun(
  command: string | undefined,
  args: readonly string[],
  options: DryRunOptions,
): Promise<number> {
  if (options.dryRun !== true) {
    if (options.json === true) throw wrongUse('--json goes with --dry-run: standard output belongs to the MCP client.')
    const { mcp } = await import('./mcp.ts')
    return await mcp(command as never, args, options as never)
  }
  if (command === undefined) throw wrongUse('--dry-run looks at a server that is a command: -- COMMAND [ARGS...].')
  return await mcpDryRun(command, args, options)
}

/** `onefold mcp --dry-run -- COMMAND`: what would be protected, and why. No tool is called, and no ledger is opened. */
async function mcpDryRun(command: string, args: readonly string[], options: DryRunOptions): Promise<number> {
  const config = configOf(options)
  const name = config?.mcp.name ?? upstreamName(command, args)
  const listing = await withCancel((signal) => listTools({ command, args, stderr: process.stderr, signal }))
  const contracts = { ...NOTHING_DECLARED, ...config?.mcp, name }
  const explained = explainTools(listing.tools, contracts)
  const warnings = explained.flatMap((one) => one.warnings.map((warning) => ({ tool: one.tool, warning })))
  if (options.json === true) {
    printJson({ name, config: config?.file ?? null, ...listing, tools: explained, warnings: warnings.length })
    return warnings.length === 0 ? EXIT.ok : EXIT.findings
  }
  const from = config === undefined ? 'no configuration' : plain(config.file ?? '')
  print(colors.dim(`${plain(name)} · ${plain(listing.server.name ?? 'a server without a name')} · ${from}`))
  if (explained.length === 0) print('The server lists no tools.')
  else print(table(explained.map((one) => [HANDLING[one.handling], plain(one.tool), plain(one.why)])))
  if (warnings.length > 0) {
    print(`\n${colors.yellow(`${warnings.length} to look at`)}`)
    print(table(warnings.map(({ tool, warning }) => [`  ${plain(tool)}`, plain(warning)])))
  }
  return warnings.length === 0 ? EXIT.ok : EXIT.findings
}

const HANDLING: Readonly<Record<Explained['handling'], string>> = {
  protected: 'protected',
  guarded: 'guarded',
  passes: 'passes',
  blocked: 'BLOCKED',
  unprotected: 'UNPROTECTED',
}
