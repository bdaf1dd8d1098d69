import { memoryStore } from '../../../src/store/memory/index.ts'
import { InProgress, type Contender } from '../contender.ts'
import { oursOn } from '../ours.ts'

const floor: Contender = {
  name: 'floor: Map',
  store: 'memory',
  floor: true,
  async make() {
    const answers = new Map<string, string>()
    return {
      async call(key, effect) {
        const there = answers.get(key)
        if (there === '') throw new InProgress(key)
        if (there !== undefined) return JSON.parse(there)
        answers.set(key, '')
        const value = await effect({ send: fetch })
        answers.set(key, JSON.stringify(value))
        return value
      },
      close: () => Promise.resolve(),
    }
  },
}

export const contenders: readonly Contender[] = [
  { ...floor, speedOnly: true },
  ...oursOn('memory', 'memory', () => Promise.resolve({ store: memoryStore(), end: () => Promise.resolve() })).filter(
    (one) => one.faultsOnly !== true,
  ),
]
