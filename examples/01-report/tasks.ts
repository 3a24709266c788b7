/** The worker's side: the app, and a service with one task. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Celeriac, Task, TaskService } from 'celeriac';

export const broker = process.env.CELERIAC_BROKER_URL ?? 'memory://';
export const app = new Celeriac('reports', { broker });

const STAGES = ['collecting orders', 'adding up sales', 'drawing charts', 'laying out pages'];
const STEPS_PER_STAGE = 5;

/** What a report says of itself while it is being made. */
export interface Progress {
  reportId: string;
  step: number;
  total: number;
  status: string;
}

export class ReportService extends TaskService {
  @Task('generate_report_task')
  async generateReport(reportId: string): Promise<string> {
    const total = STAGES.length * STEPS_PER_STAGE;
    let step = 0;
    for (const status of STAGES) {
      for (let part = 0; part < STEPS_PER_STAGE; part++) {
        await sleep(80 + 140 * Math.random()); // the work
        step++;
        await this.updateState('PROGRESS', { reportId, step, total, status } satisfies Progress);
      }
    }
    return `Report ${reportId} generated successfully!`;
  }
}

export const reports = app.register(new ReportService());
