/** An address that leads nowhere. */
import { Head } from '../ui/bits.js';

export function NotFound() {
  return (
    <>
      <Head title="No such screen" />
      <p>
        <a href="#/">Go to the overview</a>
      </p>
    </>
  );
}
