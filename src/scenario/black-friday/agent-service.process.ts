/** `node agent-service.process.ts JSON`: the scripted agent, without a framework. */
import { agent } from './agent.ts'
import { serveAgent } from './serve-agent.ts'

await serveAgent(agent)
