export async function mcp(): Promise<number> {
  return 2
}
