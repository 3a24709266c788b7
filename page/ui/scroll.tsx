/** A box whose content scrolls inside it. It has a name and takes the focus, so that it can be scrolled by keyboard. */
import type { ComponentChildren } from 'preact';

export function Scroll({
  label,
  look,
  children,
}: {
  label: string;
  look: string;
  children: ComponentChildren;
}) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section class={look} aria-label={label} tabIndex={0}>
      {children}
    </section>
  );
}
