"""needs: apscheduler"""

from apscheduler.schedulers.background import BackgroundScheduler

SCHEDULER = BackgroundScheduler(timezone="UTC")


def send_the_bill():
    pass


def add_a_job_before_the_start():
    """leaks: shop.SCHEDULER._pending_jobs"""
    SCHEDULER.add_job(send_the_bill, "interval", minutes=5, id="bill")


def forget():
    SCHEDULER.remove_all_jobs()
