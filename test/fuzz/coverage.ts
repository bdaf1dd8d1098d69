import { Session, type Profiler } from 'node:inspector'

/** Tells whether code ran that had not run before. */
export interface Coverage {
  /** Looks at what ran since the last look; true if any block of it is new, and from then on no longer is. */
  look(): boolean
  /** The same, but what is new stays so until the function that is handed back is called. */
  peek(): { readonly fresh: boolean; readonly settle: () => void }
  /** Blocks known so far, and how many of them have run. */
  blocks(): { readonly known: number; readonly run: number }
  close(): void
}

/**
 * Block coverage of the scripts whose address matches, from V8 itself (node:inspector, precise coverage). A report names
 * a function's whole range, and ranges inside it only where their count differs; a range with count 0 has not run. So a
 * block has run when its function is reported and no range with count 0 holds it.
 */
export function startCoverage(covers: RegExp): Coverage {
  const session = new Session()
  session.connect()
  const post = <T>(method: string, parameters: object = {}): T => {
    let answer: T | undefined
    session.post(method, parameters, (error, result) => {
      if (error !== null) throw error
      answer = result as T
    })
    // In the same thread the answer is there when `post` returns.
    return answer as T
  }
  post('Profiler.enable')
  post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  const functions = new Map<string, Map<string, boolean>>()
  let known = 0
  let run = 0

  /** Blocks of this function that ran for the first time. */
  function* enter(place: string, ranges: readonly Profiler.CoverageRange[]): Generator<() => void> {
    const blocks = functions.get(place) ?? new Map<string, boolean>()
    functions.set(place, blocks)
    for (const { startOffset, endOffset } of ranges) {
      const block = `${startOffset}-${endOffset}`
      if (blocks.has(block)) continue
      blocks.set(block, false)
      known += 1
    }
    const idle = ranges.filter(({ count }) => count === 0)
    for (const [block, hasRun] of blocks) {
      if (hasRun) continue
      const [start, end] = block.split('-').map(Number) as [number, number]
      if (idle.some(({ startOffset, endOffset }) => start >= startOffset && end <= endOffset)) continue
      yield () => {
        if (blocks.get(block) === false) run += 1
        blocks.set(block, true)
      }
    }
  }

  function peek(): { readonly fresh: boolean; readonly settle: () => void } {
    const { result } = post<Profiler.TakePreciseCoverageReturnType>('Profiler.takePreciseCoverage')
    const entered: (() => void)[] = []
    for (const { scriptId, url, functions: reported } of result) {
      if (!covers.test(url)) continue
      for (const { functionName, ranges } of reported) {
        entered.push(...enter(`${scriptId}:${functionName}:${ranges[0]?.startOffset}`, ranges))
      }
    }
    return { fresh: entered.length > 0, settle: () => entered.forEach((mark) => mark()) }
  }

  return {
    peek,
    look() {
      const { fresh, settle } = peek()
      settle()
      return fresh
    },
    blocks: () => ({ known, run }),
    close() {
      post('Profiler.stopPreciseCoverage')
      session.disconnect()
    },
  }
}
