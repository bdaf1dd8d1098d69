import { EXIT } from './exit-code.ts'

/** How far a long command is, for a person who watches; nothing where nobody does. */
export interface Progress {
  at(count: number): void
  done(): void
}

const EVERY_MS = 100

/** One line on standard error, rewritten; only on a terminal, and not while the data itself goes there. */
export function progressOf(what: string): Progress {
  const { stderr, stdout } = process
  const shown = stderr.isTTY === true && stdout.isTTY !== true
  let last = 0
  return {
    at(count) {
      const now = performance.now()
      if (!shown || now - last < EVERY_MS) return
      last = now
      stderr.write(`\r${what}: ${count}`)
    },
    done() {
      if (shown && last > 0) stderr.write(`\r${' '.repeat(what.length + 14)}\r`)
    },
  }
}

/** Aborts by Ctrl-C and SIGTERM, so that a command ends between two steps; a second signal does not wait. */
export async function withCancel<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const cancel = (): void => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted)
    controller.abort(new DOMException('cancelled', 'AbortError'))
  }
  process.on('SIGINT', cancel)
  process.on('SIGTERM', cancel)
  try {
    return await work(controller.signal)
  } finally {
    process.off('SIGINT', cancel)
    process.off('SIGTERM', cancel)
  }
}
