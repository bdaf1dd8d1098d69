import { dirname } from 'node:path'

/** A fenced block of a page, with the comment right above it. */
export interface Block {
  /** Line of the opening fence, from 1. */
  readonly line: number
  readonly language: string
  readonly text: string
  readonly source: Source | undefined
}

/** Where a block's text comes from: a file (or a region of it), or a reason why it is not run. */
export type Source = { readonly file: string; readonly region: string | undefined } | { readonly notRun: string }

export interface Page {
  /** The page with every block that names a file filled in. */
  readonly filled: string
  /** `line: what is wrong`, for the page as it was. */
  readonly faults: readonly string[]
}

/** Languages whose blocks must come from a file that CI runs. */
const CHECKED: ReadonlySet<string> = new Set(['ts', 'typescript', 'js', 'javascript', 'yaml', 'yml'])

/** Folders whose files the tests run. */
const RUN: readonly string[] = ['examples/', 'test/']

/**
 * Compares a page's code blocks with their files. A block is preceded by `<!-- file: examples/x/main.ts#region -->`
 * (without `#region`: the whole file) or by `<!-- not run: reason -->`.
 * @param read the file's text, or undefined where there is none
 */
export function checkPage(page: string, read: (file: string) => string | undefined): Page {
  const lines = page.split('\n')
  const faults: string[] = []
  const filled: string[] = []
  let at = 0
  for (const block of blocksOf(page)) {
    const opening = block.line - 1
    const closing = opening + (block.text === '' ? 0 : block.text.split('\n').length) + 1
    filled.push(...lines.slice(at, opening + 1))
    at = closing
    const wanted = wantedText(block, read)
    if (typeof wanted === 'string') {
      if (wanted !== block.text)
        faults.push(`${block.line}: differs from its file; npm run docs -- --write fills it in`)
      filled.push(...(wanted === '' ? [] : wanted.split('\n')))
    } else {
      if (wanted.fault !== undefined) faults.push(`${block.line}: ${wanted.fault}`)
      filled.push(...lines.slice(opening + 1, closing))
    }
  }
  filled.push(...lines.slice(at))
  return { filled: filled.join('\n'), faults }
}

function wantedText(
  { language, source }: Block,
  read: (file: string) => string | undefined,
): string | { readonly fault: string | undefined } {
  if (source === undefined) {
    const needed = CHECKED.has(language)
    return {
      fault: needed ? `a ${language} block needs <!-- file: … --> or <!-- not run: reason --> above it` : undefined,
    }
  }
  if ('notRun' in source) return { fault: source.notRun === '' ? 'not run: say why' : undefined }
  const { file, region } = source
  if (!RUN.some((folder) => file.startsWith(folder)) || dirname(file).includes('..')) {
    return { fault: `${file} is not a file that the tests run (${RUN.join(', ')})` }
  }
  const text = read(file)
  if (text === undefined) return { fault: `${file} does not exist` }
  return regionOf(text, region) ?? { fault: `${file} has no region ${region}` }
}

/** The lines between `#region name` and `#endregion name`, without their common indentation and without inner markers. */
export function regionOf(text: string, region: string | undefined): string | undefined {
  const lines = text.replace(/\n$/, '').split('\n')
  const marker = /^\s*(?:\/\/|#) ?#(end)?region\b ?(.*)$/
  const isMarker = (line: string, end: boolean): boolean => {
    const match = marker.exec(line)
    return match !== null && (match[1] === 'end') === end && match[2]?.trim() === region
  }
  const start = region === undefined ? -1 : lines.findIndex((line) => isMarker(line, false))
  const end = region === undefined ? lines.length : lines.findIndex((line) => isMarker(line, true))
  if (region !== undefined && (start === -1 || end < start)) return undefined
  const inside = lines.slice(start + 1, end).filter((line) => !marker.test(line))
  const indents = inside.filter((line) => line.trim() !== '').map((line) => line.length - line.trimStart().length)
  const indent = indents.length === 0 ? 0 : Math.min(...indents)
  return inside
    .map((line) => line.slice(indent))
    .join('\n')
    .replace(/^\n+|\n+$/g, '')
}

/** The fenced blocks of a page, top to bottom. */
export function blocksOf(page: string): readonly Block[] {
  const blocks: Block[] = []
  const lines = page.split('\n')
  for (let index = 0; index < lines.length; index++) {
    const fence = /^(`{3,}|~{3,})\s*([\w-]*)/.exec(lines[index] ?? '')
    if (fence === null) continue
    const [, marks = '```', language = ''] = fence
    const from = index + 1
    do index++
    while (index < lines.length && !(lines[index] ?? '').startsWith(marks))
    const source = sourceOf(lines.slice(0, from - 1).findLast((line) => line.trim() !== '') ?? '')
    blocks.push({ line: from, language, text: lines.slice(from, index).join('\n'), source })
  }
  return blocks
}

function sourceOf(line: string): Source | undefined {
  const notRun = /^<!-- not run:(.*)-->$/.exec(line.trim())
  if (notRun !== null) return { notRun: (notRun[1] ?? '').trim() }
  const file = /^<!-- file: ([^\s#]+)(?:#(\S+))? -->$/.exec(line.trim())
  return file === null ? undefined : { file: file[1] ?? '', region: file[2] }
}
