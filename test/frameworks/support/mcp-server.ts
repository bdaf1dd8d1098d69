import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** A running MCP server with one tool, `charge`, and a ledger of its own. */
export interface McpServerProgram {
  readonly url: string
  /**
   * The next `failures` calls act and are answered 503; whether equal keys are honoured; whether it then answers isError;
   * how many calls are answered 401 before, and do not act.
   */
  plan(failures: number, honours: boolean, answersError?: boolean, unauthorized?: number): Promise<void>
  effects(order: string): Promise<number>
  close(): Promise<void>
}

export async function startMcpServer(): Promise<McpServerProgram> {
  const program = fileURLToPath(new URL('./mcp-server.process.ts', import.meta.url))
  const child = spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'inherit'] })
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const url = `http://127.0.0.1:${line.toString().trim()}`
  return {
    url: `${url}/mcp`,
    plan: async (failures, honours, answersError = false, unauthorized = 0) => {
      const plan = { failures, honours, answersError, unauthorized }
      await fetch(`${url}/plan`, { method: 'POST', body: JSON.stringify(plan) })
    },
    effects: async (order) => Number(await (await fetch(`${url}/effects/${encodeURIComponent(order)}`)).text()),
    close: async () => {
      child.stdin.end()
      if (child.exitCode === null) await once(child, 'exit')
    },
  }
}
