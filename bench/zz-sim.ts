import { runBatch } from '../test/simulation/batch.ts'
const cpu = process.cpuUsage()
const b = await runBatch({ from: 1, count: 6000 })
const used = process.cpuUsage(cpu)
console.log(b.schedules, b.failures.length, (used.user + used.system) / 1000 / 6000, 'ms cpu each', b.fingerprint)
