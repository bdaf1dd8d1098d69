import { dynamodb } from './dynamodb.ts'
import { postgres } from './postgres.ts'
import { redis } from './redis.ts'
import { sqlite } from './sqlite.ts'
import type { CrashStore } from './store.ts'

export type { CrashStore, RunningStore } from './store.ts'

/** The stores that `npm run crash -- --store NAME` knows. */
export const CRASH_STORES: readonly CrashStore[] = [dynamodb, postgres, redis, sqlite]

export const crashStore = (name: string): CrashStore | undefined => CRASH_STORES.find((store) => store.name === name)
