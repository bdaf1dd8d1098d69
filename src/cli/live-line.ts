/** One line of progress on standard error, on a terminal only. */
export interface LiveLine {
  show(text: string): void
  clear(): void
}

export function liveLine(): LiveLine {
  const { stderr } = process
  if (!stderr.isTTY) return { show: () => {}, clear: () => {} }
  return {
    show: (text) => void stderr.write(`\r\u001b[2K${text}`),
    clear: () => void stderr.write('\r\u001b[2K'),
  }
}
