import { fileURLToPath } from 'node:url'
import { checkRooms, show, type Exception, type Room } from './rooms-check.ts'

/**
 * The rooms of src/ and what each may import. A room may enter every room of a lower layer by its `index.ts`;
 * rooms of its own layer only where `also` names them. `store/*` stands for each folder in store/.
 */
export const ROOMS: readonly Room[] = [
  { room: 'error', layer: 0, node: [], packages: [], pure: true },
  { room: 'key', layer: 0, also: ['error'], node: ['node:crypto'], packages: [], pure: true },
  { room: 'contract', layer: 0, also: ['key', 'error'], node: [], packages: [], pure: true },
  { room: 'engine', layer: 1, node: ['node:async_hooks'], packages: [], pure: true },
  { room: 'system', layer: 2, node: ['node:os', 'node:crypto', 'node:fs', 'node:perf_hooks'], packages: [] },
  { room: 'store/memory', layer: 2, node: [], packages: [] },
  { room: 'store/spool', layer: 2, node: ['node:fs', 'node:fs/promises', 'node:path', 'node:crypto'], packages: [] },
  {
    room: 'store/*',
    layer: 2,
    node: [
      'node:sqlite',
      'node:worker_threads',
      'node:fs',
      'node:fs/promises',
      'node:path',
      'node:url',
      'node:os',
      'node:crypto',
      'node:events',
    ],
    packages: [],
  },
  {
    room: 'downstream',
    layer: 2,
    node: ['node:async_hooks', 'node:diagnostics_channel', 'node:http', 'node:net'],
    packages: [],
  },
  // Real programs and stories over them, for demonstrations and tests.
  {
    room: 'scenario',
    layer: 3.5,
    node: [
      'node:assert',
      'node:child_process',
      'node:crypto',
      'node:events',
      'node:fs',
      'node:http',
      'node:net',
      'node:os',
      'node:path',
      'node:readline',
      'node:sqlite',
      'node:stream',
      'node:timers/promises',
      'node:url',
    ],
    packages: [],
  },
  { room: 'llm', layer: 2, node: [], packages: [] },
  { room: 'webhook', layer: 2, node: ['node:crypto'], packages: [] },
  // The wiring: what `import … from 'onefold'` is. Nothing below it knows it.
  { room: '.', layer: 2.5, node: ['node:fs', 'node:path'], packages: [] },
  {
    room: 'config',
    layer: 3,
    also: ['http/exchange'],
    node: ['node:fs', 'node:module', 'node:path'],
    packages: ['yaml'],
  },
  // `exchange` is what the door (http) and the gateway share; only the gateway has a server of its own.
  { room: 'http/exchange', layer: 3, node: ['node:crypto', 'node:zlib'], packages: [] },
  // Of `node:http` only what a late Express handler goes on writing its headers to.
  { room: 'http', layer: 3, also: ['http/exchange'], node: ['node:http'], packages: [] },
  // What servers of ours are made of, be they in front of an HTTP API or of an MCP server.
  {
    room: 'http/edge',
    layer: 3,
    also: ['http/exchange'],
    node: [
      'node:crypto',
      'node:fs/promises',
      'node:http',
      'node:https',
      'node:net',
      'node:os',
      'node:path',
      'node:stream',
    ],
    packages: [],
  },
  {
    room: 'http/gateway',
    layer: 3,
    also: ['http/edge', 'http/exchange'],
    node: ['node:crypto', 'node:http', 'node:net', 'node:stream'],
    packages: [],
  },
  {
    room: 'mcp',
    layer: 3,
    also: ['http/edge', 'http/exchange'],
    node: [
      'node:child_process',
      'node:http',
      'node:net',
      'node:stream',
      'node:stream/promises',
      'node:events',
      'node:buffer',
      'node:readline',
      'node:string_decoder',
      'node:crypto',
    ],
    packages: [],
  },
  {
    room: 'testing',
    layer: 3,
    node: [
      'node:assert',
      'node:assert/strict',
      'node:child_process',
      'node:crypto',
      'node:http',
      'node:https',
      'node:net',
      'node:readline',
      'node:url',
      'node:util',
    ],
    packages: [],
    loads: ['src/testing/chaos/load-workflow.ts'],
  },
  { room: 'register', layer: 3, node: ['node:fs'], packages: [] },
  { room: 'adapter/shared', layer: 3, node: [], packages: [], maxLines: 200 },
  // One framework a room; what they have in common is in shared, and they know nothing of each other.
  { room: 'adapter/*', layer: 3, also: ['adapter/shared'], node: [], packages: [], maxLines: 200 },
  {
    room: 'cli',
    layer: 4,
    entry: 'main.ts',
    node: '*',
    packages: ['commander', 'picocolors', '@clack/prompts', 'yaml'],
  },
]

/** Files that may stand directly in src/. */
export const ROOT_FILES: readonly string[] = ['index.ts', 'onefold.ts', 'default-store.ts']

/** Files that may be longer than their room allows, each with its reason. */
export const EXCEPTIONS: readonly Exception[] = []

if (import.meta.main) {
  const root = fileURLToPath(new URL('..', import.meta.url))
  const violations = checkRooms(root, ROOMS, { rootFiles: ROOT_FILES, exceptions: EXCEPTIONS })
  for (const violation of violations) console.log(show(violation))
  console.log(violations.length === 0 ? 'rooms: ok' : `rooms: ${violations.length} violations`)
  process.exitCode = violations.length === 0 ? 0 : 1
}
