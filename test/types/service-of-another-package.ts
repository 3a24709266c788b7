/** A worker's service, of which its clients import the type only. */
import { Task, TaskService } from 'celeriac';

export class ReportService extends TaskService {
  @Task('generate_report_task')
  async generateReport(reportId: string): Promise<string> {
    return reportId;
  }

  @Task('archive')
  async archive(ids: string[], deep = false): Promise<number> {
    return deep ? ids.length : 0;
  }

  @Task()
  clean(): void {}
}
