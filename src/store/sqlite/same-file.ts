import { statSync } from 'node:fs'

/** What tells a file from another one that lies at the same path later. */
export interface FileId {
  readonly dev: number
  readonly ino: number
}

export function fileId(path: string): FileId {
  const { dev, ino } = statSync(path)
  return { dev, ino }
}

/** False once a file was moved away, deleted or replaced: whoever has it open can still write to it, and loses that. */
export function isStillThere(path: string, { dev, ino }: FileId): boolean {
  try {
    const now = statSync(path, { throwIfNoEntry: false })
    return now?.ino === ino && now.dev === dev
  } catch {
    return false
  }
}

export const movedMessage = (path: string): string => `The ledger ${path} was moved or replaced while it was open.`
