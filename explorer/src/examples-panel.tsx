/** How does a person choose an example? A panel in GraphiQL's sidebar; a click puts it into the editor. */

import { type GraphiQLPlugin, pick, useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { useState } from "react";

import { type Example, type ExampleGroup, variablesFor } from "./examples";
import type { Session } from "./session";
import { asWords } from "./words";

const NOTHING_FITS = "Nothing fits this example just now: fill in its variables yourself.";

/** The panel with these examples, as a plugin. */
export function examplesPlugin(groups: readonly ExampleGroup[], session: Session): GraphiQLPlugin {
  function Panel() {
    const { addTab } = useGraphiQLActions();
    const { queryEditor, variableEditor } = useGraphiQL(pick("queryEditor", "variableEditor"));
    const [chosen, setChosen] = useState("");
    const [notice, setNotice] = useState("");

    const open = async (example: Example) => {
      const variables = await variablesFor(example, await session.accessToken()).catch(() => ({}));
      const isEmpty = Object.keys(variables).length === 0;
      setNotice(example.find !== null && isEmpty ? NOTHING_FITS : "");
      const present = queryEditor?.getValue().trim() ?? "";
      // What a person wrote himself stays; an example that he didn't touch may be replaced.
      if (present !== "" && !isExample(groups, present)) addTab();
      queryEditor?.setValue(`${example.document}\n`);
      variableEditor?.setValue(isEmpty ? "" : JSON.stringify(variables, null, 2));
      setChosen(example.path);
    };

    return (
      <section className="eoms-examples" aria-label="Examples">
        <h2 className="graphiql-doc-explorer-title">Examples</h2>
        <p className="eoms-examples-notice" role="status">
          {notice}
        </p>
        {groups.map(({ role, examples }) => (
          <div key={role}>
            <h3>{asWords(role)}</h3>
            <ul>
              {examples.map((example) => (
                <li key={example.path}>
                  <button
                    type="button"
                    className={example.path === chosen ? "active" : ""}
                    data-example={example.path}
                    onClick={() => void open(example)}
                  >
                    <strong>{example.title}</strong>
                    <span>{withCode(example.sentence)}</span>
                  </button>
                </li>
              ))}
            </ul>
          </div>
        ))}
      </section>
    );
  }

  return { title: "Examples", icon: Icon, content: Panel };
}

/** The sentence, with `names` of the schema set as code. */
function withCode(sentence: string) {
  return sentence.split("`").map((part, place) => (place % 2 === 1 ? <code key={place}>{part}</code> : part));
}

function isExample(groups: readonly ExampleGroup[], document: string): boolean {
  return groups.some(({ examples }) => examples.some((example) => example.document === document));
}

function Icon() {
  return (
    <svg viewBox="0 0 24 24" width="1em" height="1em" fill="none" stroke="currentColor" strokeWidth="1.5" aria-hidden>
      <path d="M9 18h6M10 21h4M12 3a6 6 0 0 0-3.6 10.8c.7.6 1.1 1.3 1.1 2.2h5c0-.9.4-1.6 1.1-2.2A6 6 0 0 0 12 3Z" />
    </svg>
  );
}
