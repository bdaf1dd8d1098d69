import { openSync, writeFileSync } from 'node:fs'
import { wrongUse } from './exit-code.ts'
import { plain } from './output.ts'

/**
 * The file of a report that comes after long work: opened before it, so that a mistyped folder does not cost the run.
 * Without a name it writes nothing. @throws OnefoldError INPUT_INVALID where the file cannot be written
 */
export function reportFile(name: string | undefined): (text: () => string) => void {
  if (name === undefined) return () => {}
  let file: number
  try {
    file = openSync(name, 'w')
  } catch (error) {
    throw wrongUse(`${plain(name)} cannot be written (${String((error as { code?: unknown }).code)}). Nothing was run.`)
  }
  return (text) => writeFileSync(file, text())
}
