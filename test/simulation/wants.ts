import type { Want } from './agent.ts'
import type { Plan } from './plan.ts'
import type { Random } from './random.ts'

/** What the callers of a schedule want: several may want the same, and then it is to happen once. */
export function wantsOf(plan: Plan, random: Random): readonly Want[] {
  const wants: Want[] = []
  for (let caller = 0; caller < plan.callers; caller += 1) {
    const tenant = random.pick(plan.tenants)
    const id = `id${random.between(1, plan.wanted)}`
    const twice = plan.kind !== 'undeclared' && plan.kind !== 'sequence' && random.chance(0.1)
    const occurrence = twice ? 2 : 1
    const scoped = plan.kind === 'undeclared' || plan.kind === 'sequence'
    const run = scoped ? 'run1' : !plan.inRun ? undefined : random.chance(0.2) ? 'minted' : 'run1'
    // One caller in ten words another field differently: it is the same operation with another fingerprint.
    const amount = !scoped && !plan.calm && random.chance(0.1) ? 200 : 100
    const intent = `${tenant}/${id}#${occurrence}`
    wants.push({ intent, tenant, run, occurrence, input: { id, amount, account: 'acct', intent } })
  }
  return wants
}
