import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Works in a fresh folder that is gone at the end, also at an interrupted one, unless it is to be kept. */
export async function inFolder<T>(keep: boolean, work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'onefold-demo-'))
  const remove = (): void => rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  const onSignal = (signal: NodeJS.Signals): void => {
    remove()
    // Every process of ours ends when its standard input does, which is when this one does.
    process.exit(signal === 'SIGINT' ? 130 : 143)
  }
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal)
  try {
    return await work(folder)
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
    if (!keep) remove()
  }
}
