import type { FaultName, PlannedFault, SiteKind } from './faults.ts'

/** Counts how often each site is reached in one disturbed run, over all its processes, and hands out the planned faults. */
export interface Sites {
  /** The fault of this passage, and its label; each planned fault is handed out once. */
  reach(kind: SiteKind, name: string): { readonly site: string; readonly fault: FaultName | undefined }
  /** In the order in which they were reached. */
  readonly reached: readonly string[]
  readonly fired: readonly PlannedFault[]
  /** How far delays and crashes have moved the run's clock on, in milliseconds. */
  skewMs: number
  /** When the run began, by its ledger's clock: what was recorded before is not its own. */
  since: number | undefined
  /** How long calls took at most, in milliseconds. */
  readonly slowest: { http: number; tool: number }
  /** What undisturbed runs took; undefined for those themselves. */
  readonly pace: Pace | undefined
  readonly plan: readonly PlannedFault[]
  /** What the next process of the run has to know. */
  memory(): SitesMemory
}

/** How slow a workflow is when nothing disturbs it, in milliseconds: the slowest request, and the slowest call of a tool. */
export interface Pace {
  readonly requestMs: number
  readonly toolMs: number
}

/** What one process of a run hands to the next. */
export interface SitesMemory {
  readonly counts: Readonly<Record<string, number>>
  readonly fired: readonly PlannedFault[]
  readonly skewMs: number
  readonly since?: number | undefined
  readonly pace?: Pace | undefined
}

/** @param onReach told of every passage, before its fault strikes */
export function createSites(
  plan: readonly PlannedFault[],
  memory: SitesMemory = { counts: {}, fired: [], skewMs: 0 },
  onReach?: (site: string, fault: FaultName | undefined) => void,
): Sites {
  const counts = new Map(Object.entries(memory.counts))
  const reached: string[] = []
  const fired: PlannedFault[] = [...memory.fired]
  const sites: Sites = {
    plan,
    memory: () => ({
      counts: Object.fromEntries(counts),
      fired,
      skewMs: sites.skewMs,
      since: sites.since,
      pace: memory.pace,
    }),
    reached,
    fired,
    skewMs: memory.skewMs,
    since: memory.since,
    slowest: { http: 0, tool: 0 },
    pace: memory.pace,
    reach: (kind, name) => {
      const place = `${kind} ${name}`
      const nth = (counts.get(place) ?? 0) + 1
      counts.set(place, nth)
      const site = `${place} #${nth}`
      reached.push(site)
      const planned = plan.find((one) => one.site === site)
      if (planned !== undefined) fired.push(planned)
      onReach?.(site, planned?.fault)
      return { site, fault: planned?.fault }
    },
  }
  return sites
}
