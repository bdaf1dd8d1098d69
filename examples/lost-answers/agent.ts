import { createMCPClient } from '@ai-sdk/mcp'
import { Experimental_StdioMCPTransport as StdioTransport } from '@ai-sdk/mcp/mcp-stdio'
import { generateText, isStepCount } from 'ai'
import type { Agent } from '../../src/cli/demo/agent.ts'
import { scriptedModel } from './model.ts'

/** More steps than the scripted model ever takes. */
const MOST_STEPS = 20

/** An AI SDK agent loop, one for each return, over the SDK's own MCP client. Only the model is scripted. */
export const aiSdkAgent: Agent = async (returns, server) => {
  const { command, args, env, stderr } = server
  const transport = new StdioTransport({ command, args: [...args], env: { ...env }, stderr })
  const client = await createMCPClient({ transport })
  try {
    const tools = await client.tools()
    for (const wanted of returns) {
      await generateText({
        model: scriptedModel(wanted),
        tools,
        stopWhen: isStepCount(MOST_STEPS),
        prompt: `Return ${wanted.order}: send ${wanted.customer} a new ${wanted.item}, refund ${wanted.cents} cents, tell them.`,
      })
    }
  } finally {
    await client.close()
  }
}
