import { auditTools, listTools } from '../mcp/index.ts'
import { EXIT } from './exit-code.ts'
import { colors, plain, print, printJson } from './output.ts'
import { withCancel } from './progress.ts'

export interface AuditToolsOptions {
  readonly json?: boolean
}

/** `onefold audit tools -- COMMAND`: what in an MCP server's tool list lets a repeat act twice; exit 1 on findings. */
export async function auditToolList(
  command: string,
  args: readonly string[],
  options: AuditToolsOptions,
): Promise<number> {
  const { server, tools } = await withCancel((signal) => listTools({ command, args, stderr: process.stderr, signal }))
  const findings = auditTools(tools)
  if (options.json === true) {
    printJson({ server, tools: tools.length, ok: findings.length === 0, findings })
    return findings.length === 0 ? EXIT.ok : EXIT.findings
  }
  for (const { tool, rule, found, fix } of findings) {
    print(`${colors.yellow(rule)}  ${colors.bold(plain(tool))}  ${plain(found)}`)
    print(`  ${colors.bold('fix:')} ${plain(fix)}`)
  }
  const of = `${tools.length} tools of ${plain(server.name ?? 'the server')}`
  print(
    findings.length === 0
      ? `${of}: nothing found.`
      : `\n${findings.length} ${findings.length === 1 ? 'finding' : 'findings'} in ${of}.`,
  )
  return findings.length === 0 ? EXIT.ok : EXIT.findings
}
