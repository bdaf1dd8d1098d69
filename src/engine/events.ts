import type { DuplicateAnswer } from './duplicates.ts'
import type { HistoryEvent } from './record.ts'

interface About {
  readonly key: string
  readonly tenant: string
  readonly tool: string
  readonly run: string | undefined
}

/** What the engine tells listeners. Never a result, never an argument. */
export interface EngineEvents {
  /** A step of the state machine was written by this process. */
  readonly transition: About & { readonly event: HistoryEvent }
  /** A call whose key was already known, and what it got. */
  readonly duplicate: About & { readonly answer: DuplicateAnswer }
  /** An operation became in doubt; somebody owns it now. */
  readonly doubt: About & { readonly reason: string; readonly ticket: string }
  /** Something that must not happen, or that a person has to see. */
  readonly alarm: About & { readonly message: string }
  /** The caller gave up after the effect was committed. */
  readonly 'aborted-after-commit': About & { readonly compensable: boolean }
  /** An undeclared tool was called again with equal arguments after its answer had been delivered. */
  readonly 'suspected-repeat': About & { readonly occurrence: number }
  /** An answer could not be recorded and lies in the spool. */
  readonly spooled: About
  /** The store answered again, or stopped answering. */
  readonly store: { readonly available: boolean; readonly message: string }
}

export type EventName = keyof EngineEvents
type Listener<Name extends EventName> = (event: EngineEvents[Name]) => void

export interface Emitter {
  on<Name extends EventName>(name: Name, listener: Listener<Name>): () => void
  emit<Name extends EventName>(name: Name, event: EngineEvents[Name]): void
  has(name: EventName): boolean
}

/** An emitter whose listeners can never disturb the engine: what they throw is dropped. */
export function createEmitter(): Emitter {
  const listeners = new Map<EventName, Set<(event: never) => void>>()
  return {
    on(name, listener) {
      const set = listeners.get(name) ?? new Set()
      listeners.set(name, set)
      set.add(listener)
      return () => set.delete(listener)
    },
    emit(name, event) {
      for (const listener of listeners.get(name) ?? []) {
        try {
          const told: unknown = listener(event as never)
          // One that is asynchronous fails later, which would end the process.
          if (told instanceof Promise) told.catch(() => undefined)
        } catch {
          // A listener's failure is its own; the effect's record does not depend on it.
        }
      }
    },
    has: (name) => (listeners.get(name)?.size ?? 0) > 0,
  }
}
