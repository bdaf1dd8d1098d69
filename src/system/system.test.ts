import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { systemClock, systemIds, systemProcesses } from './index.ts'

describe('the machine', () => {
  it('boot clock grows and never goes back', () => {
    const clock = systemClock()
    let last = 0
    for (let n = 0; n < 10_000; n += 1) {
      const now = clock.bootMs()
      expect(now).toBeGreaterThanOrEqual(last)
      last = now
    }
  })

  it('nonces differ and are long; run ids are UUIDv7 in order of time', () => {
    const ids = systemIds()
    const nonces = new Set(Array.from({ length: 5_000 }, () => ids.nonce()))
    expect(nonces.size).toBe(5_000)
    expect([...nonces].every((nonce) => nonce.length === 20)).toBe(true)
    const run = ids.runId()
    expect(run).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(Math.abs(Number.parseInt(run.replaceAll('-', '').slice(0, 12), 16) - Date.now())).toBeLessThan(1000)
  })

  it('knows the dead from the living, and says nothing of other hosts', async () => {
    const processes = systemProcesses()
    const isDead = (owner: string): boolean => processes.isDead(owner, false)
    expect(isDead(processes.self)).toBe(false)
    const [host, boot, , start] = processes.self.split('/')
    const child = spawn(process.execPath, ['-e', 'process.stdin.resume()'], { stdio: ['pipe', 'ignore', 'ignore'] })
    const pid = child.pid ?? 0
    expect(isDead(`${host}/${boot}/${pid}/?`)).toBe(false)
    expect(isDead(`${host}/${boot}/${pid}/1`)).toBe(true)
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect(isDead(`${host}/${boot}/${pid}/?`)).toBe(true)
    expect(isDead(`elsewhere/${boot}/${pid}/1`)).toBe(false)
    expect(processes.isDead(`elsewhere/${boot}/${pid}/1`, true)).toBe(false)
    expect(isDead('nonsense')).toBe(false)
    expect(processes.isDead(`${host}/another-boot/${process.pid}/${start}`, true)).toBe(true)
    // Where the system does not name its boots, the clock may give one boot two names: the pid alone is proof.
    expect(processes.isDead(`${host}/up179589712/${process.pid}/?`, true)).toBe(false)
    expect(processes.isDead(`${host}/up179589712/${pid}/?`, true)).toBe(true)
  })

  it('takes no other machine, and no other container, of the same host name for dead where the ledger is shared', () => {
    const processes = systemProcesses()
    const [host, boot, , start] = processes.self.split('/')
    for (const other of [`${host}/another-boot/1/1`, `${host}/${boot}+4026532177/1/1`, `${host}/${boot}+1/2/${start}`])
      expect(processes.isDead(other, false)).toBe(false)
    // A file on this disk that the same container used before it was restarted.
    expect(processes.isDead(`${host}/${boot}+4026532177/${process.pid}/1`, true)).toBe(true)
  })
})
