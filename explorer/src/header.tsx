/** What stands above the editor: where one is, as whom, and the way out. */

import type { Person, Persona } from "./people";
import { asWords } from "./words";

export function Brand() {
  return (
    <h1 className="eoms-brand">
      <span className="eoms-mark">EOMS</span> <span lang="zh">工程订单管理系统</span>
      <span className="eoms-place">Explorer</span>
    </h1>
  );
}

interface Props {
  readonly person: Person;
  readonly personas: readonly Persona[];
  readonly notice: string;
  readonly onBecome: (username: string) => Promise<void>;
  readonly onSignOut: () => void;
}

export function Header({ person, personas, notice, onBecome, onSignOut }: Props) {
  return (
    <header className="eoms-header">
      <Brand />
      <p className="eoms-notice">{notice}</p>
      <p className="eoms-person" data-signed-in={person.username}>
        <strong>{person.name}</strong>
        <small title={person.organization}>{asWords(person.role) || "no role"}</small>
      </p>
      {personas.length > 0 && (
        <select
          aria-label="Become somebody else"
          value={person.username}
          onChange={(event) => void onBecome(event.target.value)}
        >
          {personas.every(({ username }) => username !== person.username) && <option>{person.username}</option>}
          {personas.map(({ username }) => (
            <option key={username}>{username}</option>
          ))}
        </select>
      )}
      <button type="button" onClick={onSignOut}>
        Sign out
      </button>
    </header>
  );
}
