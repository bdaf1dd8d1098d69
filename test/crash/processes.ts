import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Line, Task } from './task.ts'

/** What one process said and how it ended. */
export interface Life {
  readonly task: Task
  readonly lines: readonly Line[]
  readonly end: 'killed' | 'finished' | 'failed' | 'hung'
  /** Where it killed itself; undefined for a kill from outside, and for none. */
  readonly point: string | undefined
  readonly complaint: string
}

const HANGS_AFTER_MS = 90_000

/** Runs one process to its end. @param kill SIGKILL from outside, so long after the start or the `go` line */
export function live(
  program: string,
  task: Task,
  kill?: { readonly from: 'spawn' | 'go'; readonly ms: number },
): Promise<Life> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [program, JSON.stringify(task)], { stdio: ['ignore', 'pipe', 'pipe'] })
    const lines: Line[] = []
    let complaint = ''
    let hung = false
    let killTimer: NodeJS.Timeout | undefined
    const killIn = (ms: number): void => void (killTimer = setTimeout(() => child.kill('SIGKILL'), ms))
    const hangTimer = setTimeout(() => {
      hung = true
      child.kill('SIGKILL')
    }, HANGS_AFTER_MS)
    if (kill?.from === 'spawn') killIn(kill.ms)
    createInterface({ input: child.stdout }).on('line', (text) => {
      const line = JSON.parse(text) as Line
      lines.push(line)
      if (line.type === 'go' && kill?.from === 'go') killIn(kill.ms)
    })
    child.stderr.on('data', (chunk: Buffer) => (complaint += chunk.toString()))
    child.on('close', (code, signal) => {
      clearTimeout(killTimer)
      clearTimeout(hangTimer)
      const dying = lines.findLast((line) => line.type === 'dying')
      const end = hung ? 'hung' : signal === 'SIGKILL' ? 'killed' : code === 0 ? 'finished' : 'failed'
      resolve({ task, lines, end, point: dying?.type === 'dying' ? dying.point : undefined, complaint })
    })
  })
}
