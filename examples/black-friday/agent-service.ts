/** `node agent-service.ts JSON`: the AI SDK's agent loop in a process of its own. */
import { serveAgent } from '../../src/scenario/black-friday/serve-agent.ts'
import { agent } from './agent.ts'

await serveAgent(agent)
