import { AssertionError } from 'node:assert'
import { isDeepStrictEqual } from 'node:util'
import { OnefoldError } from '../../error/index.ts'
import { FAULTS_OF, kindOf, type FaultName, type PlannedFault } from './faults.ts'
import { localLife } from './local-life.ts'
import { knownChaos, type ChaosOptions } from './options.ts'
import { seeded } from './random.ts'
import { showReport, type ChaosCase, type ChaosFailure, type ChaosReport } from './report.ts'
import { runScenario, type Ended, type World } from './run-scenario.ts'
import type { Pace } from './sites.ts'

/**
 * Runs a workflow undisturbed, then with every fault at every call that it makes, then with random combinations of
 * faults; the whole run is retried until it succeeds. Each must end in the state of the undisturbed run.
 * @throws AssertionError with the failures, shrunk: seed, faults, both end states side by side
 * @throws OnefoldError INPUT_INVALID when two undisturbed runs differ, nothing can be disturbed, or the snapshot sees no
 * effect, CONFIG_INVALID for an option or a fault that there is not
 */
export async function chaos<App = undefined>(options: ChaosOptions<App>): Promise<ChaosReport> {
  knownChaos(options)
  return await chaosIn(
    {
      host: { begin: (sites, names, number) => localLife({ chaos: options, sites, names, number }) },
      reset: async () => await options.reset?.(),
      snapshot: async (names) => await options.snapshot(names),
      forgets: options.reset !== undefined,
    },
    options,
  )
}

/** {@link chaos} over processes of any kind. */
export async function chaosIn(
  given: World,
  options: Pick<ChaosOptions<never>, 'faults' | 'combinations' | 'seed' | 'timeoutMs' | 'onRun' | 'onFailure'>,
): Promise<ChaosReport> {
  const seed = options.seed ?? 1
  const undisturbed = { ...given, timeoutMs: options.timeoutMs }
  const baseline = await runScenario(undisturbed, [])
  if (baseline.never !== undefined) throw invalid(`The undisturbed workflow did not succeed: ${baseline.never}`)
  const again = await runScenario(undisturbed, [])
  refuseUnsteady(baseline, again)
  if (again.never !== undefined) throw invalid(`The undisturbed workflow did not succeed again: ${again.never}`)
  const world = { ...undisturbed, pace: slower(baseline.pace, again.pace) }
  const sites = [...new Set([...baseline.reached, ...again.reached])]
  const singles = sites.flatMap((site) =>
    faultsAt(site, options.faults).map((fault): PlannedFault => ({ site, fault })),
  )
  if (singles.length === 0) {
    throw invalid(
      'The workflow passed no call that can be disturbed. Call tools through run.tool(), models through run.model(), services through run.fetch or life.fetch.',
    )
  }
  refuseBlind(baseline)
  const plans = [
    ...singles.map((single) => [single]),
    ...combinations(singles, options.combinations ?? 20, seeded(seed)),
  ]
  const missed = new Set(singles)
  const failures: ChaosFailure[] = []
  const cases: (ChaosCase & { ok: boolean })[] = []
  const clean: (readonly [at: number, ended: Ended])[] = []
  let struck = 0
  for (const plan of plans) {
    const began = performance.now()
    const ended = await runScenario(world, plan)
    struck += ended.fired.length
    if (ended.fired.length > 0 && plan.length === 1) missed.delete(plan[0] as PlannedFault)
    const ok = isSame(baseline, ended)
    // Nothing was disturbed: what differs is the workflow, not what a fault did to it.
    if (ended.fired.length === 0) refuseUnsteady(baseline, ended)
    if (ok) clean.push([cases.length, ended])
    cases.push({
      faults: plan,
      ok,
      struck: ended.fired.length,
      executions: ended.executions,
      processes: ended.processes,
      ms: performance.now() - began,
    })
    if (!ok) failures.push(await shrunk(world, plan, baseline, ended))
    options.onRun?.(cases.length, plans.length)
  }
  if (!world.forgets) {
    const expected = await baseline.again()
    for (const [at, ended] of clean) {
      const actual = await ended.again()
      if (isDeepStrictEqual(expected, actual)) continue
      const faults = plans[at] as readonly PlannedFault[]
      ;(cases[at] as { ok: boolean }).ok = false
      failures.push({ faults, foundWith: faults, expected, actual, notes: [LATE] })
    }
  }
  if (struck === 0 && failures.length === 0)
    throw invalid(`No fault struck: ${NO_PLACE} (${sites.slice(0, 5).join(', ')}).`)
  const report: ChaosReport = {
    ok: failures.length === 0,
    seed,
    runs: plans.length,
    struck,
    missed: [...missed],
    sites,
    baseline: baseline.state,
    failures,
    cases,
  }
  if (!report.ok && options.onFailure !== 'return') {
    throw new AssertionError({
      message: showReport(report),
      actual: failures[0]?.actual,
      expected: baseline.state,
      operator: 'chaos',
    })
  }
  return report
}

const slower = (one: Pace, other: Pace): Pace => ({
  requestMs: Math.max(one.requestMs, other.requestMs),
  toolMs: Math.max(one.toolMs, other.toolMs),
})

/** Drops one fault after another as long as the run still ends elsewhere. */
async function shrunk(
  world: World,
  plan: readonly PlannedFault[],
  baseline: Ended,
  found: Ended,
): Promise<ChaosFailure> {
  let [faults, ended] = [plan, found]
  for (let at = faults.length - 1; at >= 0 && faults.length > 1; at -= 1) {
    const fewer = faults.toSpliced(at, 1)
    const tried = await runScenario(world, fewer)
    if (!isSame(baseline, tried)) [faults, ended] = [fewer, tried]
  }
  const notes = [
    ...ended.doubts.map((doubt) => `left in doubt: ${doubt}; give chaos() a person to settle it`),
    ...(ended.never === undefined ? [] : [`no execution succeeded: ${ended.never}`]),
  ]
  return { faults, foundWith: plan, expected: baseline.state, actual: ended.state, notes }
}

/** Whoever waits for ever, or is refused for ever without a doubt that a person has to settle, is not served by a right end state. */
const isSame = (baseline: Ended, ended: Ended): boolean =>
  !ended.stuck &&
  (ended.never === undefined || ended.doubts.length > 0 || ended.asked) &&
  isDeepStrictEqual(baseline.state, ended.state)

const LATE = 'it ended right, and changed after that: something acts late, which settle could wait for'
const NO_PLACE =
  'no place of the undisturbed runs was reached again, so nothing was proven. Give places the same name in every run'

const faultsAt = (site: string, only: readonly FaultName[] | undefined): readonly FaultName[] =>
  FAULTS_OF[kindOf(site)].filter(
    (fault) =>
      (only === undefined || only.includes(fault)) &&
      // Two executions at once are decided when the run starts; the other faults of a run, when it answers.
      (kindOf(site) !== 'run' || (fault === 'duplicate') === site.startsWith('run started')),
  )

/** Two to four faults, some of them at calls that only retries make. */
function combinations(
  singles: readonly PlannedFault[],
  count: number,
  random: () => number,
): readonly (readonly PlannedFault[])[] {
  return Array.from({ length: count }, () => {
    const plan = new Map<string, PlannedFault>()
    const wanted = 2 + Math.floor(random() * 3)
    for (let n = 0; n < wanted; n += 1) {
      const one = singles[Math.floor(random() * singles.length)] as PlannedFault
      const later = random() < 0.3
      const site = later ? one.site.replace(/#(\d+)$/, (_all, nth: string) => `#${Number(nth) + 1}`) : one.site
      plan.set(site, { ...one, site })
    }
    return [...plan.values()]
  })
}

function refuseUnsteady(first: Ended, second: Ended): void {
  if (isDeepStrictEqual(first.state, second.state)) return
  throw invalid(
    `Two undisturbed runs end in different states, so no fault can be judged. Leave ids and times out of the snapshot, give a reset, or look at what belongs to \`unique\` only. First: ${JSON.stringify(first.state)} Second: ${JSON.stringify(second.state)}`,
  )
}

/** What does not see the effects of one run would not see a second effect either. */
function refuseBlind({ before, state }: Ended): void {
  if (!isDeepStrictEqual(before, state)) return
  throw invalid(
    `The snapshot is ${JSON.stringify(state).slice(0, 120)} both before an undisturbed run and after it, so nothing would be proven: it has to see the effects of the workflow, each one counted, also one that is undone again.`,
  )
}

const invalid = (message: string): OnefoldError => new OnefoldError('INPUT_INVALID', message)
