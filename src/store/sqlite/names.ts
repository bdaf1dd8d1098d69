import { fromColumn, toColumn } from './text.ts'
import type { DatabaseSync } from './sqlite-module.ts'
import type { NameOf, Value } from './columns.ts'

/** Texts that many rows share, kept once in the table `names`. */
export interface Names {
  /** The number of a text, given to it now if it has none. Inside a write transaction only. */
  idOf(text: string): number
  /** The number of a text, if it has one. */
  find(text: string): number | undefined
  readonly textOf: NameOf
  /** Forgets what was remembered: numbers given out in a transaction that was rolled back. */
  forget(): void
}

/** Names come from people too, so the memory of them has an end. */
const REMEMBERED = 10_000

export function namesOf(database: DatabaseSync, options: { readonly readOnly: boolean }): Names {
  const ids = new Map<string, number>()
  const texts = new Map<number, string>()
  const byText = database.prepare('SELECT id FROM names WHERE text = ?')
  const byId = database.prepare('SELECT text FROM names WHERE id = ?')
  const insert = options.readOnly ? undefined : database.prepare('INSERT INTO names (text) VALUES (?)')

  function forget(): void {
    ids.clear()
    texts.clear()
  }

  function remember(id: number, text: string): void {
    if (ids.size >= REMEMBERED) forget()
    ids.set(text, id)
    texts.set(id, text)
  }

  function find(text: string): number | undefined {
    const known = ids.get(text)
    if (known !== undefined) return known
    const id = byText.get(toColumn(text))?.['id'] as number | undefined
    if (id !== undefined) remember(id, text)
    return id
  }

  return {
    find,
    forget,
    idOf(text) {
      const known = find(text)
      if (known !== undefined) return known
      if (insert === undefined) throw new Error('a read-only connection gives no numbers to names')
      const id = Number(insert.run(toColumn(text)).lastInsertRowid)
      remember(id, text)
      return id
    },
    textOf(column: Value | undefined) {
      const id = column as number
      const known = texts.get(id)
      if (known !== undefined) return known
      const text = fromColumn(byId.get(id)?.['text'] as string)
      remember(id, text)
      return text
    },
  }
}
