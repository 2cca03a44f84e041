-- the inbox of webhooks beside the database of Airflow
create database inbox owner stockbook;
