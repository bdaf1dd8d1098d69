import type { FaultName, PlannedFault } from './faults.ts'
import type { AttemptEnd, RunNames } from './local-life.ts'
import type { Settlement } from './settle-guards.ts'
import type { Sites, SitesMemory } from './sites.ts'

/** From the kit to a process of a run. Each is answered under its `id`. */
export type Order = { readonly id: number } & (
  | {
      readonly type: 'begin'
      readonly plan: readonly PlannedFault[]
      readonly memory: SitesMemory
      readonly names: RunNames
      readonly number: number
    }
  | { readonly type: 'attempt'; readonly nth: number }
  | { readonly type: 'settle'; readonly withinMs: number }
  | { readonly type: 'end' }
)

/** From a process of a run. */
export type Word =
  | { readonly type: 'reached'; readonly site: string; readonly fault: FaultName | undefined }
  | { readonly type: 'dying'; readonly skewMs: number }
  | {
      readonly type: 'answer'
      readonly id: number
      readonly value: AttemptEnd | Settlement | 'crashed' | null
      readonly skewMs: number
      readonly since: number | undefined
      readonly slowest: Sites['slowest'] | undefined
    }
  | { readonly type: 'failed'; readonly id: number; readonly why: string }
