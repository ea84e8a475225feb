/** How does somebody say who he is? By name and password, or in the demo company by choosing a persona. */

import type { FormEvent } from "react";

import { Brand } from "./header";
import type { Demo } from "./people";
import { asWords } from "./words";

interface Props {
  readonly demo: Demo | null;
  readonly isBusy: boolean;
  readonly refusal: string;
  readonly onSignIn: (username: string, password: string) => Promise<void>;
}

export function SignIn({ demo, isBusy, refusal, onSignIn }: Props) {
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    void onSignIn(String(given.get("username")), String(given.get("password")));
  };
  return (
    <main className="eoms-sign-in">
      <Brand />
      <form onSubmit={submit} aria-label="Sign in">
        <label>
          Username
          <input name="username" autoComplete="username" autoCapitalize="none" required autoFocus />
        </label>
        <label>
          Password
          <input name="password" type="password" autoComplete="current-password" required />
        </label>
        <button type="submit" className="eoms-primary" disabled={isBusy}>
          Sign in
        </button>
        <p className="eoms-refusal" role="alert">
          {refusal}
        </p>
      </form>
      {demo !== null && <Personas demo={demo} isBusy={isBusy} onSignIn={onSignIn} />}
    </main>
  );
}

function Personas({ demo, isBusy, onSignIn }: Omit<Props, "demo" | "refusal"> & { readonly demo: Demo }) {
  return (
    <section aria-label="Personas">
      <h2>
        Or be somebody of the demo company <span lang="zh">演示公司</span>
      </h2>
      <ul className="eoms-personas">
        {demo.personas.map(({ username, name, role, organization }) => (
          <li key={username}>
            <button
              type="button"
              data-persona={username}
              disabled={isBusy}
              onClick={() => void onSignIn(username, demo.password)}
            >
              <strong>{username}</strong>
              <span>{name}</span>
              <small>{asWords(role)}</small>
              <small title={organization}>{organization}</small>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
