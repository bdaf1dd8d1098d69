import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'

/** A program of a demonstration, in a process of its own. */
export interface Program {
  /** What it said of itself when it was ready: its first line. */
  readonly said: string
  /** Ends it, as its standard input ends. @throws Error with what it told, when it failed */
  stop(): Promise<void>
}

/** Characters of a program's standard error that are kept, to be told if it fails. */
const MOST_TOLD = 2_000

/**
 * Starts `script` and waits for its first line. It ends when its standard input does, which is also when this process does.
 * @throws Error with what it told, when it ends before
 */
export async function startProgram(script: string, args: readonly string[]): Promise<Program> {
  const child = spawn(
    process.execPath,
    [...process.execArgv, '--disable-warning=ExperimentalWarning', script, ...args],
    { stdio: 'pipe' },
  )
  const exited = once(child, 'exit')
  let told = ''
  child.stderr.on('data', (chunk: Buffer) => (told = (told + chunk.toString()).slice(-MOST_TOLD)))
  const said = await Promise.race([firstLine(child.stdout), exited.then(() => undefined)])
  if (said === undefined) throw new Error(`the program ${script} of the demonstration did not start:\n${told}`)
  return {
    said,
    stop: async () => {
      child.stdin.end()
      await exited
      if (child.exitCode !== 0) throw new Error(`the program ${script} of the demonstration failed:\n${told}`)
    },
  }
}

async function firstLine(stdout: Readable): Promise<string | undefined> {
  for await (const line of createInterface({ input: stdout })) return line
  return undefined
}
