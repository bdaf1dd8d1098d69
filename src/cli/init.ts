import { existsSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { clientEntry, listTools, starterConfig, upstreamName, type ToolListing } from '../mcp/index.ts'
import { EXIT, wrongUse } from './exit-code.ts'
import { colors, plain, print, printJson } from './output.ts'
import { withCancel } from './progress.ts'

export interface InitOptions {
  readonly write?: string
  readonly json?: boolean
}

const CONFIG_NAME = 'onefold.yaml'

/** `onefold init -- COMMAND`: looks at an MCP server's tools, prints the client entry and a starter contract file. */
export async function init(command: string, args: readonly string[], options: InitOptions): Promise<number> {
  const file = resolve(options.write ?? CONFIG_NAME)
  if (options.write !== undefined && existsSync(file))
    throw wrongUse(
      `${plain(file)} is already there. Nothing was written; name another file, or compare with what --json prints.`,
    )
  const listing = await withCancel((signal) => listTools({ command, args, stderr: process.stderr, signal }))
  const name = upstreamName(command, args)
  const config = starterConfig(name, listing.tools)
  const entry = clientEntry(file, command, args)
  if (options.write !== undefined) write(file, config)
  if (options.json === true) {
    printJson({ name, server: listing.server, tools: listing.tools.length, entry, file, config })
    return EXIT.ok
  }
  print(colors.bold('In your client’s configuration, in place of the server’s own entry:'))
  print(JSON.stringify({ mcpServers: { [serverKey(listing, name)]: entry } }, null, 2))
  print(
    colors.dim(
      'Claude Desktop: claude_desktop_config.json · Claude Code: .mcp.json · VS Code: .vscode/mcp.json, under “servers”',
    ),
  )
  print()
  if (options.write === undefined) {
    print(colors.bold(`As ${plain(file)} (--write ${CONFIG_NAME} writes it):`))
    print(config.trimEnd())
  } else {
    print(`${plain(file)} is written: read it, and correct what it guesses.`)
  }
  print(
    `\n${colors.bold('next')}  onefold mcp --dry-run --config ${plain(file)} -- ${plain([command, ...args].join(' '))}`,
  )
  return EXIT.ok
}

const serverKey = ({ server }: ToolListing, otherwise: string): string =>
  server.name?.replaceAll(/[^A-Za-z0-9._-]+/g, '-') ?? otherwise

function write(file: string, text: string): void {
  try {
    // Between the look and the write somebody may have made it: never over another's file.
    writeFileSync(file, text, { flag: 'wx' })
  } catch (error) {
    throw wrongUse(
      `${plain(file)} cannot be written (${String((error as { code?: unknown }).code)}). Nothing was written.`,
    )
  }
}
