import type { Contender } from '../contender.ts'
import { contenders as dbos } from './dbos.ts'
import { contenders as dynamodb } from './dynamodb.ts'
import { contenders as memory } from './memory.ts'
import { contenders as nodeIdempotency } from './node-idempotency.ts'
import { contenders as postgres } from './postgres.ts'
import { contenders as postgresFloor } from './postgres-floor.ts'
import { contenders as powertools } from './powertools.ts'
import { contenders as redis } from './redis.ts'
import { contenders as redisFloor } from './redis-floor.ts'
import { contenders as sqlite } from './sqlite.ts'

/** Everything that is measured. To add a contender: one file beside this one, one line here. */
export const CONTENDERS: readonly Contender[] = [
  ...memory,
  ...sqlite,
  ...redisFloor,
  ...redis,
  ...nodeIdempotency,
  ...postgresFloor,
  ...postgres,
  ...dbos,
  ...dynamodb,
  ...powertools,
]
