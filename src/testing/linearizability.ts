/** One call on a shared object, as the caller saw it. Times are on one clock; only their order matters. */
export interface Call<Input, Output> {
  readonly input: Input
  /** `undefined` when the answer is not known: the call may have had its effect at any time after `called`, or never. */
  readonly output: Output | undefined
  readonly called: number
  /** Ignored when the answer is not known. */
  readonly returned: number
}

/** What the object would do if calls came one after the other. States are values: equal ones have equal `name`s. */
export interface Model<State, Input, Output> {
  readonly initial: State
  /**
   * The state after the call, or undefined when the object in this state could not have given this answer.
   * With `output` undefined: the state after the call with any answer.
   */
  step(state: State, input: Input, output: Output | undefined): State | undefined
  name(state: State): string
}

interface Frame<State> {
  readonly state: State
  /** Calls already put in order; a bit each. */
  readonly done: bigint
  readonly order: readonly number[]
}

/**
 * Puts the calls of one history in an order that the model allows and that keeps every call after those that had returned
 * before it began: the indices in that order (without calls of unknown answer that had no effect), or undefined when there
 * is none, that is when the history is not linearizable.
 *
 * The search of Wing and Gong (Testing and Verifying Concurrent Objects, 1993) with Lowe's memory of visited
 * configurations (Testing for linearizability, 2017). Exponential in the number of calls that overlap, so check per key.
 */
export function linearization<State, Input, Output>(
  model: Model<State, Input, Output>,
  history: readonly Call<Input, Output>[],
): readonly number[] | undefined {
  const calls = history.map((call, index) => ({ ...call, index, bit: 1n << BigInt(index) }))
  calls.sort((one, other) => one.called - other.called)
  const known = calls.filter((call) => call.output !== undefined).reduce((bits, call) => bits | call.bit, 0n)
  const visited = new Set<string>()
  const stack: Frame<State>[] = [{ state: model.initial, done: 0n, order: [] }]

  for (let frame = stack.pop(); frame !== undefined; frame = stack.pop()) {
    const { done, state, order } = frame
    if ((done & known) === known) return order
    // A call may come next unless another one, not yet in order, had returned before it began.
    const limit = Math.min(
      ...calls.filter((call) => call.output !== undefined && (done & call.bit) === 0n).map((call) => call.returned),
    )
    for (const call of calls) {
      if (call.called > limit) break
      if ((done & call.bit) !== 0n) continue
      const next = model.step(state, call.input, call.output)
      if (next === undefined) continue
      const bits = done | call.bit
      const configuration = `${bits.toString(36)} ${model.name(next)}`
      if (visited.has(configuration)) continue
      visited.add(configuration)
      stack.push({ state: next, done: bits, order: [...order, call.index] })
    }
  }
  return undefined
}
