import { OnefoldError } from '../../src/error/index.ts'
import type { Clock, Ids, Processes } from '../../src/engine/index.ts'
import type { FaultPoint } from '../../src/engine/faults.ts'
import { Violation } from './oracle.ts'
import type { Life } from './scheduler.ts'
import { happens, type Host, type World } from './world.ts'

/** A promise that nothing ever settles: what a dead process waits for. */
export const never = <T>(): Promise<T> => new Promise<T>(() => undefined)

const SPINS = 5_000

/**
 * One process. All that its engine waits for comes through {@link later}, so nothing of it runs once it is dead; and each
 * touch of the world passes {@link hazard}, so it can die at every await.
 */
export class Process implements Life {
  readonly name: string
  readonly host: Host
  readonly world: World
  alive = true
  pausedUntil = 0
  slept = 0
  /** Milliseconds paused or asleep so far. */
  away = 0
  /** The highest sequence of the store that it was told. */
  acked = 0
  diedAt = Infinity
  /** Takes no more calls; ends soon. */
  closing = false
  #nonces = 0
  #spins = 0
  #spunAt = -1
  /** What to do when it dies. */
  readonly onDeath: (() => void)[] = []

  constructor(world: World, host: Host, name: string) {
    this.world = world
    this.host = host
    this.name = name
  }

  /** True when the process is dead, maybe from now on. */
  hazard(label: string): boolean {
    if (!this.alive) return true
    const { world } = this
    if (world.crashesLeft > 0 && happens(world, world.plan.odds.crash)) this.#crash(label)
    return !this.alive
  }

  /** The end of the process: what it waits for never comes. */
  die(label: string): void {
    if (!this.alive) return
    this.alive = false
    this.diedAt = this.world.scheduler.now
    this.world.scheduler.note('died', () => `${this.name} at ${label}`)
    for (const told of this.onDeath) told()
  }

  #crash(label: string): void {
    this.world.crashesLeft -= 1
    this.world.coverage.hit(`crash:${label}`)
    this.die(label)
  }

  later(ms: number, label: string, run: () => void): () => void {
    return this.world.scheduler.after(ms, label, this, () => {
      if (!this.hazard(label)) run()
    })
  }

  sleep(ms: number, label: string): Promise<void> {
    if (this.hazard(label)) return never()
    return new Promise((resolve) => this.world.scheduler.after(ms, label, this, resolve, true))
  }

  /** True for an engine that spins without time passing, which would hang a real process: it is stopped. */
  spins(what: string): boolean {
    const { now } = this.world.scheduler
    if (this.#spunAt !== now) {
      this.#spunAt = now
      this.#spins = 0
    }
    this.#spins += 1
    if (this.#spins <= SPINS) return false
    this.world.scheduler.fail(new Violation('liveness', `${this.name} spins at ${what}`))
    this.alive = false
    return true
  }

  readonly clock: Clock = {
    wallMs: () => this.world.scheduler.now + this.host.wallOffset,
    bootMs: () => this.world.mutation.bootMs?.(this) ?? this.world.scheduler.now + this.host.bootOffset,
    after: (ms, callback) => {
      if (!this.alive) return () => undefined
      return this.world.scheduler.after(ms, 'timer', this, () => void (this.hazard('timer') || callback()), true)
    },
  }

  /** What a clock would show that stands still while the process is paused or its machine sleeps. */
  awakeMs(): number {
    return this.world.scheduler.now - this.away
  }

  readonly ids: Ids = {
    nonce: () => `${this.name}.${(this.#nonces += 1)}`,
    runId: () => `run-${this.name}-${(this.#nonces += 1)}`,
  }

  get processes(): Processes {
    return {
      self: this.owner,
      // Of other hosts nothing is known.
      isDead: (owner) => {
        const [host, , name] = owner.split('/')
        if (host !== this.host.name) return false
        return !this.world.engines.some(({ process }) => process.name === name && process.alive)
      },
    }
  }

  get owner(): string {
    return `${this.host.name}/boot/${this.name}/0`
  }

  readonly faults = (point: FaultPoint): void | Promise<void> => {
    if (this.spins(point)) return never()
    const { world } = this
    world.coverage.hit(`at:${point}`)
    if (!this.alive) return never()
    if (world.plan.dieAt === point && world.crashesLeft > 0 && happens(world, 0.5)) this.#crash(`at:${point}`)
    if (this.hazard(`at:${point}`)) return never()
    if (happens(world, world.plan.odds.stall / 4)) return this.sleep(world.random.latency(900), `stall:${point}`)
    return undefined
  }
}

export const unavailable = (why: string): OnefoldError =>
  new OnefoldError('STORE_UNAVAILABLE', `The simulated store ${why}.`, { retryable: true })
