import { describe } from 'vitest'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** A program that tests start: its name on the PATH, folders where distributions hide it, and the package that brings it. */
export interface ServerProgram {
  readonly command: string
  /** Looked at after the PATH. @default none */
  readonly folders?: readonly string[]
  /** For the line that tells of the absence, such as `apt-get install redis-server`. */
  readonly install: string
}

const said = new Set<string>()

/** Path of a program, or undefined where it is not installed. */
export function findProgram(program: ServerProgram): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...(program.folders ?? [])]
  return folders.map((folder) => join(folder, program.command)).find(isExecutable)
}

/**
 * The path of a server's program. Where it is absent: one visible line and undefined, so that its tests are left out;
 * with REQUIRE_SERVERS=1 (as in CI) an error, so that nothing is left out unseen.
 */
export function serverProgram(program: ServerProgram): string | undefined {
  const path = findProgram(program)
  if (path !== undefined) return path
  const line = `${program.command} is not installed: its tests are left out (${program.install})`
  if (process.env['REQUIRE_SERVERS'] === '1') throw new Error(`REQUIRE_SERVERS=1, but ${line}`)
  if (!said.has(line)) process.stderr.write(`${line}\n`)
  said.add(line)
  return undefined
}

/**
 * A `describe` for tests that need a server: runs with the program's path; without the program the tests are shown as
 * skipped beside the line that says why, or fail under REQUIRE_SERVERS=1.
 */
export function describeWithServer(program: ServerProgram, name: string, body: (path: string) => void): void {
  const path = serverProgram(program)
  const run = path === undefined ? describe.skip : describe
  run(path === undefined ? `${name} (${program.command} is not installed)` : name, () => {
    body(path ?? '')
  })
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
