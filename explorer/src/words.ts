/** How are the names of roles read aloud? `project_manager in P-001` is "project manager in P-001". */

export function asWords(text: string): string {
  return text.replaceAll("_", " ");
}
