/**
 * What must be in place before the editor's modules are loaded? Its workers, from our own address, and the page's
 * nonce on the style elements that it makes: the page's Content-Security-Policy takes no others.
 */

declare global {
  interface Window {
    MonacoEnvironment?: { getWorker(id: string, label: string): Worker };
  }
}

const WORKERS: Readonly<Record<string, string>> = { json: JSON_WORKER, graphql: GRAPHQL_WORKER };

window.MonacoEnvironment = {
  getWorker: (_id, label) => new Worker(WORKERS[label] ?? EDITOR_WORKER, { name: label }),
};

const nonce = document.querySelector<HTMLLinkElement>("link[nonce]")?.nonce ?? "";
const createElement = document.createElement.bind(document);

document.createElement = (name: string, options?: ElementCreationOptions): HTMLElement => {
  const element = createElement(name, options);
  if (element instanceof HTMLStyleElement) element.nonce = nonce;
  return element;
};

export {};
