/** What a step says to its workflow beside what it returns: each changes what the workflow does next. */
const SAYS = ['setState', 'bail', 'abort'] as const

type Says = (typeof SAYS)[number]

/** The parameters by which a step says it. */
export type Saying = { readonly [Name in Says]?: (given: never) => unknown } & { readonly state?: unknown }

type Said = readonly [name: Says, given: unknown]

/** Around a result, where the step said something; and around one that only looks so. */
const SAID = '$onefold.step'

interface Packed {
  readonly [SAID]: { readonly result: unknown; readonly said: readonly Said[] }
}

const isPacked = (value: unknown): value is Packed =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, SAID)

/** Runs a step with parameters that note what it says. Gives its storable result. */
export async function noting<Given extends Saying>(
  given: Given,
  work: (watched: Given) => unknown,
): Promise<{ readonly result: unknown; readonly stored: unknown }> {
  const said: Said[] = []
  const watched = Object.fromEntries(
    SAYS.flatMap((name) => {
      const own = given[name] as ((given: unknown) => unknown) | undefined
      if (own === undefined) return []
      const noted = (what: unknown): unknown => {
        said.push([name, name === 'setState' ? changesIn(what, given.state) : what])
        return own(what)
      }
      return [[name, noted]]
    }),
  )
  const result = await work({ ...given, ...watched })
  return { result, stored: said.length > 0 || isPacked(result) ? { [SAID]: { result, said } } : result }
}

/** What a repeat is given back, after it has said to its own workflow what the step said when it acted. */
export async function saidAgain(stored: unknown, given: Saying): Promise<unknown> {
  if (!isPacked(stored)) return stored
  const { result, said } = stored[SAID]
  for (const [name, what] of said)
    await given[name]?.((name === 'setState' ? { ...(given.state as object), ...(what as object) } : what) as never)
  return result
}

/** What a new state changes, by its names: a repeat may stand in another run, whose state has more in it than this. */
function changesIn(state: unknown, before: unknown): object {
  const [old, next] = [before ?? {}, state ?? {}] as [Record<string, unknown>, Record<string, unknown>]
  const names = Object.keys({ ...old, ...next }).filter((name) => !Object.is(old[name], next[name]))
  return Object.fromEntries(names.map((name) => [name, next[name]]))
}
