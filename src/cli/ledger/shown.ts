import { ticketOf, type Forensics, type OperationRecord } from '../../engine/index.ts'
import { dateOf } from '../ago.ts'
import { needsPerson, settledBy } from './words.ts'

/** One operation as `--json` prints it. Arguments and results only with `--show-input`. */
export function dataOf(record: OperationRecord, showInput: boolean): object {
  const { input, outcome, error, writeId: _writeId, nonce: _nonce, ...rest } = record
  return {
    ticket: ticketOf(record.key),
    ...rest,
    input: input === undefined ? null : showInput ? valueOf(input) : redacted(input),
    outcome:
      outcome === undefined
        ? null
        : {
            kind: outcome.kind,
            sha256: outcome.sha256,
            size: outcome.size,
            ...(outcome.omitted === true ? { omitted: true } : {}),
            ...(showInput && outcome.text !== undefined ? { text: outcome.text } : {}),
          },
    error: error === undefined ? null : { name: error.name, ...(showInput ? { message: error.message } : {}) },
    settledBy: settledBy(record) ?? null,
    needsPerson: needsPerson(record),
  }
}

/** An operation with its history, as `--json` and `export` print it. */
export function forensicsOf({ record, history }: Forensics, showInput: boolean): object {
  return {
    ...dataOf(record, showInput),
    history: history.map(({ nonce: _nonce, ...event }) => ({ ...event, time: dateOf(event.at) })),
  }
}

/** The arguments' names without their values. */
export function redacted(input: string): unknown {
  const value = valueOf(input)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return '…'
  return Object.fromEntries(Object.keys(value).map((name) => [name, '…']))
}

/** The recorded arguments; text that cannot be read is shown as it is. */
export function valueOf(input: string): unknown {
  try {
    return JSON.parse(input) as unknown
  } catch {
    return input
  }
}
