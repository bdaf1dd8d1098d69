import type { Ledger } from '../../engine/index.ts'

const SILENT_MS = 2_000
const AGAIN_MS = 10_000

/** A ledger that says on standard error that it is still searching: a large one on a server takes minutes. */
export function patient(ledger: Ledger, tell: (text: string) => void = onStandardError): Ledger {
  async function told<T>(work: Promise<T>): Promise<T> {
    const began = performance.now()
    const say = (): void => tell(`onefold: still looking through the ledger, ${seconds(performance.now() - began)}`)
    let repeated: NodeJS.Timeout | undefined
    const first = setTimeout(() => {
      say()
      repeated = setInterval(say, AGAIN_MS)
    }, SILENT_MS)
    try {
      return await work
    } finally {
      clearTimeout(first)
      clearInterval(repeated)
    }
  }

  return {
    ...ledger,
    list: (query) => told(ledger.list(query)),
    show: (keyOrTicket, tenant) => told(ledger.show(keyOrTicket, tenant)),
    stats: (tenant) => told(ledger.stats(tenant)),
  }
}

const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`

function onStandardError(text: string): void {
  process.stderr.write(`${text}\n`)
}
