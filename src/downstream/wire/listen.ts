import { subscribe, unsubscribe } from 'node:diagnostics_channel'

/** Listens to diagnostics channels, by their names. @returns stops it */
export function listen<Message>(on: Readonly<Record<string, (message: Message) => void>>): () => void {
  const listeners = Object.entries(on).map(([name, listener]) => [name, guarded(listener)] as const)
  for (const [name, listener] of listeners) subscribe(name, listener)
  return () => {
    for (const [name, listener] of listeners) unsubscribe(name, listener)
  }
}

/**
 * Watching must never break what is watched: an error thrown in a subscriber would end the process
 * (node:diagnostics_channel).
 */
function guarded<Message>(listener: (message: Message) => void): (message: unknown) => void {
  return (message) => {
    try {
      listener(message as Message)
    } catch {
      // Whoever made the request is no less served.
    }
  }
}
