/** Starts the page. */
import './styles/tokens.css';
import './styles/base.css';
import './styles/shell.css';
import './styles/table.css';
import './styles/form.css';
import './styles/parts.css';
import './styles/screens.css';
import './styles/run.css';
import './styles/graph.css';
import 'uplot/dist/uPlot.min.css';
import { render } from 'preact';
import { App } from './app.js';
import { address, get } from './core/api.js';
import { startLive } from './core/connection.js';
import { applyTheme } from './core/theme.js';
import { startKeys } from './ui/keys.js';

applyTheme();
startLive(() => void get(address(['overview'])).catch(() => undefined));
startKeys();
const root = document.getElementById('root');
if (root !== null) render(<App />, root);
