/** The caller's side: what a controller would do with the tasks of a service it need not have. */
import { Injectable } from '@nestjs/common';
import type { Handles } from 'celeriac';
import { InjectTasks } from 'celeriac/nestjs';
import { ReportService } from './report.service.js';

@Injectable()
export class FrontDesk {
  constructor(@InjectTasks(ReportService) private readonly reports: Handles<ReportService>) {}

  async order(month: string): Promise<string> {
    const result = await this.reports.monthly.delay(month);
    const { total } = await result.get({ timeout: '30s' });
    return `${month}: ${total}`;
  }
}
