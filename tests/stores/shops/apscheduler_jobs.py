"""needs: apscheduler"""

from apscheduler.schedulers.background import BackgroundScheduler

SCHEDULER = BackgroundScheduler(timezone="UTC")
SCHEDULER.start(paused=True)


def send_the_bill():
    pass


def add_a_job():
    """leaks:
    shop.SCHEDULER._jobstores['default']._jobs
    shop.SCHEDULER._jobstores['default']._jobs_index['bill']
    """
    SCHEDULER.add_job(send_the_bill, "interval", minutes=5, id="bill")


def forget():
    SCHEDULER.remove_all_jobs()
