/** The edges of an explored graph, as two parallel lists of state indices. */
export interface Graph {
  readonly states: number
  readonly froms: readonly number[]
  readonly tos: readonly number[]
}

/**
 * Indices of the states from which no goal can be reached: dead ends. Walks backwards from the goals.
 * `usable` leaves edges out, such as the decisions of people.
 */
export function deadEnds(
  graph: Graph,
  isGoal: (state: number) => boolean,
  usable: (edge: number) => boolean = () => true,
): readonly number[] {
  const { states, froms, tos } = graph
  const starts = new Uint32Array(states + 1)
  for (const to of tos) starts[to + 1] = (starts[to + 1] as number) + 1
  for (let i = 0; i < states; i++) starts[i + 1] = (starts[i + 1] as number) + (starts[i] as number)
  const fill = starts.slice()
  const incoming = new Uint32Array(tos.length)
  tos.forEach((to, edge) => {
    incoming[fill[to] as number] = edge
    fill[to] = (fill[to] as number) + 1
  })
  const reaches = new Uint8Array(states)
  const queue: number[] = []
  for (let state = 0; state < states; state++) {
    if (!isGoal(state)) continue
    reaches[state] = 1
    queue.push(state)
  }
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    for (let i = starts[next] as number; i < (starts[next + 1] as number); i++) {
      const edge = incoming[i] as number
      const from = froms[edge] as number
      if (reaches[from] === 1 || !usable(edge)) continue
      reaches[from] = 1
      queue.push(from)
    }
  }
  const stuck: number[] = []
  reaches.forEach((yes, state) => {
    if (yes === 0) stuck.push(state)
  })
  return stuck
}
