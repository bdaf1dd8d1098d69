/** What Mastra hands to a tool or a step to stop and wait for a person with. */
export interface Suspending {
  readonly toolCallId?: string
  /** The conversation so far, where an agent calls. */
  readonly messages?: unknown
  readonly suspend?: (...args: never[]) => unknown
  readonly resumeData?: unknown
}

/** A tool's context; a step's parameters have the outer members. */
export interface Context extends Suspending {
  readonly abortSignal?: AbortSignal
  readonly agent?: Suspending
  readonly workflow?: Suspending
}

/** Thrown inside the ledger for what suspended: neither a result nor a failure. */
class Suspended extends Error {
  readonly result: unknown
  constructor(result: unknown) {
    super('suspended')
    this.result = result
  }
}

export const isSuspended = (error: unknown): boolean => error instanceof Suspended

/** Mastra's own view of an execution that suspended: what it returned. Any other error is thrown on. */
export function suspendedResult(error: unknown): unknown {
  if (error instanceof Suspended) return error.result
  throw error
}

/** Which round of questions this is: what the person asked last has answered; none before the first answer. */
export function roundOf({ resumeData, agent, workflow }: Context): string | undefined {
  const answer = resumeData ?? agent?.resumeData ?? workflow?.resumeData
  return answer === undefined ? undefined : JSON.stringify(answer)
}

/** Calls whose results the agent's conversation holds: a model has read them. */
export function resultsIn({ agent }: Context): readonly string[] {
  if (!Array.isArray(agent?.messages)) return []
  return (agent.messages as readonly { readonly role?: unknown; readonly content?: unknown }[]).flatMap((message) =>
    message.role === 'tool' && Array.isArray(message.content)
      ? (message.content as readonly { readonly toolCallId?: unknown }[]).flatMap(({ toolCallId: id }) =>
          typeof id === 'string' ? [id] : [],
        )
      : [],
  )
}

/** Runs `work` with a context that notices `suspend()`. @throws Suspended when it was called */
export async function noticingSuspend<Given extends Context>(
  given: Given,
  work: (watched: Given) => unknown,
): Promise<unknown> {
  let suspended = false
  const watched = <Part extends Suspending>(part: Part): Part => {
    const { suspend } = part
    if (suspend === undefined) return part
    const noticed = (...args: never[]): unknown => {
      suspended = true
      return suspend(...args)
    }
    return { ...part, suspend: noticed }
  }
  const { agent, workflow } = given
  const result = await work({
    ...watched(given),
    ...(agent === undefined ? {} : { agent: watched(agent) }),
    ...(workflow === undefined ? {} : { workflow: watched(workflow) }),
  })
  if (suspended) throw new Suspended(result)
  return result
}
