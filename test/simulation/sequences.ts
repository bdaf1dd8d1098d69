import { anyEngine, callOnce, impatience, pause, runIn, type Want } from './agent.ts'
import { happens, type World } from './world.ts'

const TRIES = 8

/**
 * A run that toggles something twice (`identity: 'sequence'`): its calls have no identity but their place. When the
 * process dies the whole run is made again somewhere else, from its first call.
 */
export async function sequenceRun(world: World, want: Want, lives: number): Promise<void> {
  const began = world.quiet
  for (let life = 0; life < lives && world.quiet === began; life += 1) {
    const engine = anyEngine(world)
    if (engine === undefined) {
      await pause(world, 60)
      continue
    }
    const run = runIn(engine, want)
    let step = 1
    for (let tries = 0; tries < TRIES && step <= 2 && world.quiet === began; tries += 1) {
      // A retried run may go another way: its nth call is then refused, not run.
      const strays = happens(world, 0.05)
      const intent = `${want.tenant}/step${step}`
      const input = { ...want.input, id: strays ? 'stray' : `step${step}`, intent }
      const heard = await callOnce(
        world,
        engine,
        { ...want, intent, input },
        { run, signal: impatience(world, engine) },
      )
      if (heard.kind === 'lost') break
      if (heard.kind === 'outcome' && heard.outcome.status !== 'in-doubt') step += 1
      else if (heard.kind === 'error' && (heard.error.code === 'DIVERGED' || strays)) return
      await pause(world, world.random.latency(200))
    }
    if (step > 2) return
  }
}
