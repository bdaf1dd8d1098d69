import { parentPort, receiveMessageOnPort, workerData, type MessagePort } from 'node:worker_threads'
import { busyFailure, failureOf, isBusy } from './failure.ts'
import { examine } from './doctor.ts'
import { openLedger, type Ledger } from './ledger.ts'
import { COMMITS_BEFORE_ROOM } from './log-room.ts'
import { createReminder } from './reminder.ts'
import { ledgerReader, type LedgerReader } from './ledger-reader.ts'
import {
  withoutApplied,
  type Greeting,
  type ReadingStep,
  type Reply,
  type Request,
  type Step,
  type WorkerOptions,
  type WritingStep,
} from './wire.ts'

/**
 * Of more steps than this one transaction takes half. The caller then works on these answers while the worker commits
 * the other half; with all of them in one transaction the two would take turns waiting for each other (an engine at 64
 * concurrent calls is a fifth slower so).
 */
const UNDIVIDED = 32

const port = parentPort as MessagePort
const options = workerData as WorkerOptions
const skew = options.clockSkewMs
const wall = (): number => Math.round(Date.now() + (skew?.[0] ?? 0))

const isWriting = (step: Step): step is WritingStep =>
  step[1] === 'write' || step[1] === 'note' || step[1] === 'mark' || step[1] === 'put-blob'

start()

function start(): void {
  const greet = (greeting: Greeting): void => port.postMessage(greeting)
  try {
    const ledger = openPatiently()
    serve(ledger, ledgerReader(ledger))
    greet({ ready: true, now: ledger.clock.now(), file: ledger.file })
  } catch (error) {
    greet({ ready: false, failure: failureOf(error, options.path) })
    port.close()
  }
}

/** Another process may be creating or migrating the same file. */
function openPatiently(): Ledger {
  const until = performance.now() + options.busyMs
  for (;;) {
    try {
      return openLedger({ path: options.path, wall, asItIs: options.asItIs })
    } catch (error) {
      if (!isBusy(error) || performance.now() > until) throw error
    }
  }
}

function serve(ledger: Ledger, reader: LedgerReader): void {
  let writing: { readonly step: WritingStep; readonly since: number }[] = []
  let reading: ReadingStep[] = []
  let closing: ReadingStep | undefined
  const reminder = createReminder(ledger)
  let commits = 0
  let abandoned = false

  function accept([now, steps]: Request): void {
    ledger.clock.raise(now)
    const since = performance.now()
    for (const step of steps) {
      if (isWriting(step)) writing.push({ step, since })
      else if (step[1] === 'close') closing = step
      else reading.push(step)
    }
  }

  /** Natural group commit: whatever arrived while the last transaction ran goes into the next one. */
  function drain(): void {
    for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port))
      accept(next.message as Request)
  }

  function take(most: number): WritingStep[] {
    if (writing.length === 0 || most <= 0) return []
    return writing.splice(0, most).map(({ step }) => step)
  }

  function pump(): void {
    drain()
    answerReads()
    if (abandoned) return
    if (writing.length > 0) commit()
    if (abandoned) return
    if (writing.length > 0 || reading.length > 0) setImmediate(pump)
    else if (closing !== undefined) close(closing)
  }

  function answerReads(): void {
    if (reading.length === 0) return
    const steps = reading
    reading = []
    const replies = steps.map((step) => answer(step))
    port.postMessage(withoutApplied(replies))
    if (replies.some(([, ok, value]) => ok === 0 && value.broken)) abandon()
  }

  function commit(): void {
    const most = Math.max(UNDIVIDED, Math.ceil(writing.length / 2))
    const waiting = writing.slice(0, most)
    const steps = take(most)
    const joining = (): WritingStep[] => {
      drain()
      return take(UNDIVIDED - steps.length)
    }
    const outcome = ledger.write(steps, joining)
    if (outcome === 'busy') {
      const late = performance.now() - options.busyMs
      const failure = busyFailure(options.path)
      const replies: Reply[] = waiting.filter(({ since }) => since < late).map(({ step }) => [step[0], 0, failure])
      if (replies.length > 0) port.postMessage(withoutApplied(replies))
      writing = [...waiting.filter(({ since }) => since >= late), ...writing]
      return
    }
    for (const replies of outcome.replies) port.postMessage(replies)
    reminder.acknowledged()
    if (outcome.broken) return abandon()
    commits += 1
    if (commits === COMMITS_BEFORE_ROOM) ledger.makeRoom()
  }

  function answer(step: ReadingStep): Reply {
    try {
      ledger.assertThere()
      return [step[0], 1, valueOf(step)]
    } catch (error) {
      return [step[0], 0, failureOf(error, options.path)]
    }
  }

  function valueOf(step: ReadingStep): unknown {
    switch (step[1]) {
      case 'read':
        return reader.read(step[2], step[3])
      case 'scan':
        return reader.scan(step[2])
      case 'history':
        return reader.history(step[2], step[3])
      case 'count':
        return reader.count(step[2], step[3])
      case 'epoch':
        return reader.epoch()
      case 'get-blob':
        return reader.blob(step[2], step[3], step[4])
      case 'doctor':
        return examine(ledger, reader, options.path)
      case 'checkpoint':
        return ledger.checkpoint()
      case 'make-room':
        return ledger.makeRoom()
      case 'close':
        return undefined
    }
  }

  /** The caller starts another worker, which looks at the file anew. */
  function abandon(): void {
    abandoned = true
    reminder.stop()
    try {
      ledger.close()
    } catch {
      // What is wrong with it was told already.
    }
    port.close()
  }

  function close(step: ReadingStep): void {
    reminder.stop()
    try {
      ledger.close()
      port.postMessage(withoutApplied([[step[0], 1, undefined]]))
    } catch (error) {
      port.postMessage(withoutApplied([[step[0], 0, failureOf(error, options.path)]]))
    }
    port.close()
  }

  port.on('message', (request: Request) => {
    accept(request)
    pump()
  })
}
